// Follows the trades of an instrument, the last twenty first. A gap, wherever it comes from, is told.
// `npx tsx examples/trades.ts BTC-USD`

import { connect, type TickwireError } from 'tickwire/client';

const client = connect(process.argv[3] ?? 'ws://localhost:9001/v1/stream');
client.on('gap', ({ symbol, firstSeq, lastSeq, reason }) => {
  console.log(`${symbol}: trades ${firstSeq} to ${lastSeq} are missing (${reason})`);
});

const trades = client.trades(process.argv[2] ?? 'BTC-USD', { last: 20 });
try {
  for await (const { seq, side, price, size, publishUs } of trades) {
    const time = new Date(publishUs / 1_000).toISOString();
    console.log(`${time} #${seq} ${side} ${trades.formatSize(size)} at ${trades.formatPrice(price)}`);
  }
} catch (error) {
  const { code, message, action } = error as TickwireError;
  console.log(`${code}: ${message} ${action}`);
}
client.close();
