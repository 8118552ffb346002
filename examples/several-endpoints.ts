// Keeps a quote alive over several gateways: where one goes, the next takes over, and each change is told.
// `npx tsx examples/several-endpoints.ts BTC-USD ws://a:9001/v1/stream ws://b:9001/v1/stream`

import { connect } from 'tickwire/client';

const [symbol = 'BTC-USD', ...given] = process.argv.slice(2);
const urls = given.length > 0 ? given : ['ws://localhost:9001/v1/stream', 'ws://localhost:9101/v1/stream'];

const client = connect(urls, { reconnect: { minMs: 100, maxMs: 2_000 } });
client.on('state', ({ state, endpoint, reason }) => console.log(`${state} ${endpoint} ${reason ?? ''}`));
client.on('heal', ({ channel, how, reason, tookMs }) => {
  console.log(`${channel} healed after ${Math.round(tookMs)} ms: ${how}${reason === null ? '' : ` (${reason})`}`);
});

const quote = client.quote(symbol, { interval: 500 });
quote.on('change', ({ bidPrice, askPrice }) => {
  const [bid, ask] = [bidPrice, askPrice].map((price) => (price === null ? '-' : quote.formatPrice(price)));
  console.log(`${symbol} ${bid} / ${ask}`);
});
