// Owns the command line of `tickwire record`: every update of a gateway into a file, until it is told to end. Main registers it.
// Invariant: what is read here is valid; the run does the rest.

import type { Command } from 'commander';
import { Option } from 'commander';
import { CHANNELS } from '../protocol/frames.ts';
import { addCredentialFlag, CREDENTIAL_VARIABLE } from './credential.ts';
import { environmentHelp, examplesHelp } from './guide.ts';
import { addUrlFlag } from './instruments.ts';
import { channelsOf, symbolsOf } from './lists.ts';
import { lengthOf } from './moments.ts';
import { Denials } from './record-denials.ts';
import { type RecordOptions, RecordRun } from './record-run.ts';

const ENVIRONMENT = [['TICKWIRE_URL', 'The gateway, where --url does not say it.'], CREDENTIAL_VARIABLE] as const;

export function addRecord(program: Command, ended: (exitCode: number) => void): void {
  const command = program
    .command('record')
    .summary('record a gateway into a file')
    .description(
      'Records every single update of a gateway, with its sequence number and all of its times, until Ctrl-C. ' +
        '`tickwire replay` plays the file. A lost gateway is waited for; what was missed meanwhile is in the file as a gap.',
    );
  addCredentialFlag(addUrlFlag(command))
    .option('--symbols <list>', "such as BTC-USD,ETH-USD; 'all' takes new listings too", symbolsOf, [])
    .addOption(
      new Option('--channels <list>', 'what to record of them')
        .argParser(channelsOf)
        .default(CHANNELS, CHANNELS.join()),
    )
    .requiredOption('--out <file>', 'the file to write, such as market.twr; one that is there is not touched')
    .option('--duration <length>', 'ends by itself after 90s, 15m, 1h30m; by default it goes on until Ctrl-C', lengthOf)
    .option('--json', 'print the counts as one JSON document')
    .addHelpText(
      'after',
      examplesHelp([
        ['tickwire record --out market.twr', 'everything, until Ctrl-C'],
        [
          'tickwire record --symbols BTC-USD --channels book,trade --duration 1h --out btc.twr',
          'an hour of one market',
        ],
        ['tickwire replay market.twr', 'a gateway with the market as it was'],
      ]),
    )
    .addHelpText('after', environmentHelp(ENVIRONMENT))
    .action(async (options: RecordOptions) => {
      const byName = command.getOptionValueSource('channels') === 'cli';
      ended(await new RecordRun(options, new Denials(options.channels, byName)).run());
    });
}
