// Owns `tickwire config`: prints the settings that a gateway would start with, checks them, prints the schema of their file. Main
// registers it. Invariant: it starts nothing, and no secret is ever printed.

import type { Command } from 'commander';
import { settingsSchema } from '../settings/schema.ts';
import type { Setting } from '../settings/setting.ts';
import {
  type Configuration,
  packageVersion,
  readConfiguration,
  SETTINGS,
  type SettingName,
} from '../settings/settings.ts';
import { examplesHelp } from './guide.ts';

interface PrintOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly changed?: boolean;
  readonly defaults?: boolean;
}

const ENTRIES = Object.entries(SETTINGS) as readonly (readonly [SettingName, Setting])[];
const HIDDEN = '***';

export function addConfig(program: Command): void {
  const config = program
    .command('config')
    .summary('print and check the settings of a gateway')
    .description('Prints and checks settings as `tickwire serve` would read them: file, environment, defaults.')
    .helpCommand(false);
  config
    .command('print')
    .summary('print the settings in force, and where each is from')
    .description('Prints the settings as YAML, each with where it is from. Secrets are not shown.')
    .option('--config <file>', 'settings file, YAML or JSON (TICKWIRE_CONFIG)')
    .option('--changed', 'only those that differ from their default')
    .option('--defaults', 'the defaults instead, each with what it is for: a file to begin with')
    .option('--json', 'print JSON instead')
    .addHelpText(
      'after',
      examplesHelp([
        ['tickwire config print --changed', 'what is not as usual here'],
        ['tickwire config print --defaults > gateway.yaml', 'a file to begin with'],
      ]),
    )
    .action((options: PrintOptions) => {
      process.stdout.write(print(options));
    });
  config
    .command('check')
    .summary('check a settings file')
    .description('Checks the settings, a file with the environment over it; names everything that is wrong at once.')
    .argument('[file]', 'settings file, YAML or JSON; else the one of TICKWIRE_CONFIG, or none')
    .addHelpText(
      'after',
      examplesHelp([['tickwire config check gateway.yaml', '0: it can work; 2: it can not, and why']]),
    )
    .action((file?: string) => {
      process.stdout.write(check(file));
    });
  config
    .command('schema')
    .summary('print the JSON Schema of settings files')
    .description('Prints the JSON Schema (2020-12) of settings files, for editors.')
    .addHelpText(
      'after',
      examplesHelp([
        ['tickwire config schema > settings.schema.json', 'then, in the file:'],
        ['# yaml-language-server: $schema=settings.schema.json', 'as its first line'],
      ]),
    )
    .action(() => {
      process.stdout.write(`${JSON.stringify(settingsSchema(), null, 2)}\n`);
    });
}

/** @throws SettingsError naming what can't work. */
function print({ config, json = false, changed = false, defaults = false }: PrintOptions): string {
  const configuration = defaults ? readConfiguration({ environment: {} }) : readAndWarn(config);
  const { settings } = configuration;
  const shown = ENTRIES.filter(([name, setting]) => !changed || settings[name] !== setting.default);
  if (json) {
    const entries = shown.map(([name, setting]) => [name, reported(name, setting, configuration)]);
    return `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`;
  }
  const head = `# Tickwire ${packageVersion()}, ${shown.length} of ${ENTRIES.length} settings\n`;
  const lines = shown.map(([name, setting]) => {
    const line = `${name}: ${JSON.stringify(shownOf(name, setting, configuration))}`;
    return defaults ? `\n# ${setting.about}\n${line}\n` : `${line}  # ${fromOf(name, setting, configuration)}\n`;
  });
  return head + lines.join('');
}

/** @throws SettingsError naming what can't work. */
function check(file: string | undefined): string {
  const { origins } = readAndWarn(file);
  const from = (kind: string): number => ENTRIES.filter(([name]) => origins[name].from === kind).length;
  return `The settings can work: ${from('file')} from the file, ${from('variable')} from the environment, the rest as usual.\n`;
}

function readAndWarn(file: string | undefined): Configuration {
  const configuration = readConfiguration({ file });
  for (const warning of configuration.warnings) process.stderr.write(`tickwire: ${warning}\n`);
  return configuration;
}

function reported(name: SettingName, setting: Setting, configuration: Configuration): object {
  const { live = false, secret = false, default: preset } = setting;
  return {
    value: shownOf(name, setting, configuration),
    default: preset,
    ...configuration.origins[name],
    live,
    secret,
  };
}

function fromOf(name: SettingName, { default: preset }: Setting, { origins }: Configuration): string {
  const origin = origins[name];
  return origin.from === 'default' ? 'default' : `${origin.place}; default ${JSON.stringify(preset)}`;
}

/** Of a secret only whether there is one. */
function shownOf(name: SettingName, { secret }: Setting, { settings }: Configuration): number | string {
  return secret === true && settings[name] !== '' ? HIDDEN : settings[name];
}
