// A service that publishes: run `npx tickwire serve`, then this with `npx tsx examples/publish.ts [address]`.

import { publisher } from 'tickwire/publisher';

const out = publisher(process.argv[2] ?? 'ws://localhost:9001');
await out.instrument({ symbol: 'ACME-USD', priceScale: 2, sizeScale: 0, tickSize: 1 });
await out.snapshot('ACME-USD', { bids: [['10.01', '300']], asks: [['10.02', '500']] });
await out.trade('ACME-USD', { id: 1, side: 'buy', price: '10.02', size: '50' });
const { seq } = await out.delta('ACME-USD', { asks: [['10.02', '450']] });
console.log(`published; the book of ACME-USD is at seq ${seq}`);
await out.close();
