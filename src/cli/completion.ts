// Owns `tickwire completion`, which prints a shell's script, and `tickwire complete`, which that script asks at every TAB.
// Main registers both. Invariant: the answer follows from the commands as they are registered; whatever is typed, it takes
// a moment at most, runs nothing of it, and complains of nothing.

import { Argument, type Command, type Option } from 'commander';
import { venues } from '../feeds/venues.ts';
import { isSymbol } from '../market/instrument.ts';
import { CHANNELS, DEPTHS, INTERVALS_MS, STATUSES } from '../protocol/frames.ts';
import { completionScript, SHELLS, type Shell } from './completion-scripts.ts';
import { GROUPS } from './doctor-catalogue.ts';
import { type Endpoints, endpointsOf, usualEndpoints } from './flags.ts';
import { examplesHelp } from './guide.ts';

/** Nobody waits longer for a list of symbols after pressing a key. */
const SYMBOLS_MS_MAX = 500;
/** More than a shell shows without asking. */
const SYMBOLS_MAX = 1_000;

/** `files`: the shell offers its own; `open`: more may follow within the word; `words`: these and nothing else. */
type Rule = 'files' | 'open' | 'words';

interface Offer {
  readonly value: string;
  readonly about: string;
}
interface Answer {
  readonly rule: Rule;
  readonly offers: readonly Offer[];
}

/** What can stand in a place: files, or values; of a list several, with commas. */
type Source =
  | { readonly kind: 'files' }
  | { readonly kind: 'one' | 'list' | 'open'; values(words: readonly string[]): Promise<readonly string[]> };

const FILES: Source = { kind: 'files' };

/** Those that can be published. */
const SEQUENCED = STATUSES.slice(0, 4);
const SYMBOL: Source = { kind: 'one', values: listedSymbols };
const VENUES = [...venues.keys()];

/** By the option as its help has it, without the dashes. */
const OPTION_SOURCES: Readonly<Record<string, Source>> = {
  'venue <name>': fixed('one', VENUES),
  'feed <venue:symbols>': fixed(
    'open',
    VENUES.map((name) => `${name}:`),
  ),
  'feed-url <venue=url>': fixed(
    'open',
    VENUES.map((name) => `${name}=`),
  ),
  'channels <list>': fixed('list', CHANNELS),
  'symbols <list>': { kind: 'list', values: listedSymbols },
  'depth <levels>': fixed('one', DEPTHS.map(String)),
  'interval <ms>': fixed('one', INTERVALS_MS.map(String)),
  'speed <n>': fixed('one', ['max', '1', '10', '100']),
  'status <status>': fixed('one', SEQUENCED),
  'symbol <symbol>': SYMBOL,
  'only <groups>': fixed('list', GROUPS),
  'instruments <file>': FILES,
  'config <file>': FILES,
  'credential <file>': FILES,
  'out <file>': FILES,
  'file <file>': FILES,
};
/** By the argument's name. */
const ARGUMENT_SOURCES: Readonly<Record<string, Source>> = {
  symbol: SYMBOL,
  file: FILES,
};

export function addCompletion(program: Command): void {
  program
    .command('completion')
    .summary('print a script that completes tickwire in a shell')
    .description(
      'Prints a script after which TAB completes commands, options, their values, and the symbols of a running gateway.',
    )
    .addArgument(new Argument('<shell>', 'the shell that is to run it').choices(SHELLS))
    .addHelpText(
      'after',
      examplesHelp([
        ['source <(tickwire completion bash)', 'for this bash; in ~/.bashrc for every one'],
        ['source <(tickwire completion zsh)', 'for this zsh; in ~/.zshrc, after compinit, for every one'],
        ['tickwire completion fish > ~/.config/fish/completions/tickwire.fish', 'for every fish'],
      ]),
    )
    .action((shell: Shell) => {
      process.stdout.write(completionScript(shell));
    });
  program
    .command('complete', { hidden: true })
    .description('Answers the scripts of `tickwire completion`: what the last of the words can become.')
    .argument('[words...]', 'those after the name of the program, up to the cursor')
    .action(async (words: string[]) => {
      const { offers, rule } = await answerTo(program, words);
      const lines = offers.map(({ value, about }) => `${value}\t${about}\n`);
      process.stdout.write(`${lines.join('')}:${rule}\n`);
    });
}

/** What the last word can become. */
async function answerTo(program: Command, words: readonly string[]): Promise<Answer> {
  const current = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const place = walk(program, before);
  if (place.awaits !== null) return offersOf(sourceOf(place.awaits), place.awaits, current, '', words);
  const [flag, typed] = split(current);
  if (typed !== null && !place.literal) {
    const option = optionOf(place.command, flag);
    if (option === undefined) return { rule: 'words', offers: [] };
    return offersOf(sourceOf(option), option, typed, `${flag}=`, words);
  }
  if (current.startsWith('-') && !place.literal) return matching(optionOffers(place), current, 'words');
  if (place.command.commands.length > 0) return matching(commandOffers(place.command), current, 'words');
  const args = place.command.registeredArguments;
  const argument = args[place.operands] ?? (args.at(-1)?.variadic === true ? args.at(-1) : undefined);
  if (argument === undefined) return matching(place.literal ? [] : optionOffers(place), current, 'words');
  return offersOf(ARGUMENT_SOURCES[argument.name()], argument, current, '', words);
}

interface Place {
  readonly command: Command;
  /** Arguments of the command that are there already. */
  readonly operands: number;
  /** The option whose value comes next. */
  readonly awaits: Option | null;
  readonly given: ReadonlySet<Option>;
  /** After `--` nothing is an option. */
  readonly literal: boolean;
}

/** Where a line stands after its whole words. */
function walk(program: Command, words: readonly string[]): Place {
  let command = program;
  let operands = 0;
  let awaits: Option | null = null;
  let literal = false;
  const given = new Set<Option>();
  for (const word of words) {
    if (awaits !== null) awaits = null;
    else if (word === '--' && !literal) literal = true;
    else if (word.startsWith('-') && word !== '-' && !literal) {
      const [flag, typed] = split(word);
      const option = optionOf(command, flag);
      if (option === undefined) continue;
      given.add(option);
      if (option.required && typed === null) awaits = option;
    } else {
      const found = command.commands.find((each) => each.name() === word);
      if (found === undefined) operands += 1;
      else command = found;
    }
  }
  return { command, operands, awaits, given, literal };
}

/** The flag of a word, and its value where the word has one. */
function split(word: string): [flag: string, value: string | null] {
  const at = word.indexOf('=');
  return word.startsWith('--') && at > 0 ? [word.slice(0, at), word.slice(at + 1)] : [word, null];
}

function optionsOf(command: Command): readonly Option[] {
  return command.createHelp().visibleOptions(command);
}

function optionOf(command: Command, flag: string): Option | undefined {
  return optionsOf(command).find(({ long, short }) => long === flag || short === flag);
}

function sourceOf({ flags }: Option): Source | undefined {
  return OPTION_SOURCES[flags.replace(/^(-\w, )?--/, '')];
}

function optionOffers({ command, given }: Place): Offer[] {
  const left = optionsOf(command).filter(
    (option) => option.long != null && (!given.has(option) || option.description.includes('repeatable')),
  );
  return left.map(({ long, description }) => ({ value: long!, about: oneLine(description) }));
}

function commandOffers(command: Command): Offer[] {
  const commands = command.createHelp().visibleCommands(command);
  return commands.map((command) => ({ value: command.name(), about: oneLine(command.summary()) }));
}

/** Offers for a value of which `typed` is there; `prefix` is what stands before it in the same word. */
async function offersOf(
  source: Source | undefined,
  { argChoices }: { readonly argChoices?: readonly string[] | undefined },
  typed: string,
  prefix: string,
  words: readonly string[],
): Promise<Answer> {
  const from = argChoices === undefined ? source : fixed('one', argChoices);
  if (from === undefined) return { rule: 'words', offers: [] };
  if (from.kind === 'files') return { rule: 'files', offers: [] };
  const values = await from.values(words);
  const listed = from.kind === 'list' ? typed.slice(0, typed.lastIndexOf(',') + 1) : '';
  const named = new Set(listed.split(','));
  const offers = values
    .filter((value) => !named.has(value))
    .map((value) => ({ value: `${prefix}${listed}${value}`, about: '' }));
  return matching(offers, `${prefix}${typed}`, from.kind === 'one' ? 'words' : 'open');
}

function matching(offers: readonly Offer[], typed: string, rule: Rule): Answer {
  return { rule, offers: offers.filter(({ value }) => value.startsWith(typed)) };
}

function fixed(kind: 'one' | 'list' | 'open', values: readonly string[]): Source {
  return { kind, values: async () => values };
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ');
}

/** Of the gateway that the line names, or the usual one; none where it does not answer at once. */
async function listedSymbols(words: readonly string[]): Promise<readonly string[]> {
  try {
    const { http } = namedIn(words) ?? usualEndpoints();
    const response = await fetch(`${http}/v1/instruments`, { signal: AbortSignal.timeout(SYMBOLS_MS_MAX) });
    const { instruments } = (await response.json()) as { instruments: readonly { symbol: unknown }[] };
    const symbols = instruments.map(({ symbol }) => symbol);
    // What goes to a shell must be a name and nothing else, whoever answered.
    return symbols.filter((each): each is string => typeof each === 'string' && isSymbol(each)).slice(0, SYMBOLS_MAX);
  } catch {
    return [];
  }
}

function namedIn(words: readonly string[]): Endpoints | null {
  const at = words.indexOf('--url');
  const text = words.find((word) => word.startsWith('--url='))?.slice('--url='.length) ?? (at < 0 ? '' : words[at + 1]);
  return text ? endpointsOf(text) : null;
}
