// Watches the top of a book. `npm start` in one terminal, `npx tsx examples/watch-book.ts BTC-USD` in another.

import { connect } from 'tickwire/client';

const client = connect(process.argv[3] ?? 'ws://localhost:9001/v1/stream');
const book = client.book(process.argv[2] ?? 'BTC-USD', { depth: 5, interval: 250 });

for await (const { seq, bids, asks } of book) {
  const [bid, ask] = [bids[0], asks[0]].map((level) => (level ? book.formatPrice(level.price) : '-'));
  console.log(`${book.symbol} ${bid} / ${ask}, ${bids.length} x ${asks.length} levels at update ${seq}`);
}
