// A book and a numbered change of it, with nothing but PUBLISH: npm install ioredis.
import { Redis } from 'ioredis';

const redis = new Redis(process.env.REDIS_URL ?? 'redis://localhost:6379');
let n = 0;

function send(...items) {
  n += 1;
  return redis.publish('tickwire:in:ACME-USD', JSON.stringify({ from: 'example', n, items }));
}

console.log(await send({ type: 'snapshot', bids: [['10.01', '300']], asks: [['10.02', '500']] }));
console.log(await send({ type: 'delta', bids: [['10.01', '250']] }));
redis.disconnect();
