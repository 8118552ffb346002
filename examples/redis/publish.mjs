// A book and a change of it, through the script: npm install ioredis msgpackr.
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { pack } from 'msgpackr';

const redis = new Redis(process.env.REDIS_URL ?? 'redis://localhost:6379');
const lua = readFileSync(new URL('../../proto/redis/publish.lua', import.meta.url), 'utf8');
redis.defineCommand('tickwirePublish', { numberOfKeys: 4, lua });
const topic = 'tickwire:{book:ACME-USD}';
// A BigInt, since msgpackr makes floats of other numbers past 2^32.
const snapshot = [1, BigInt(Date.now()) * 1000n, [1001, 300, 0], [1002, 500, 0]];
const delta = [0, null, [1001, 250, 0], []];
const [epoch, nonce] = [randomInt(1, 2 ** 47), randomInt(1, 2 ** 47)];
const args = [1, epoch, nonce, '', '2.0.0', '', '', 1024, ''];
for (const update of [snapshot, delta]) args.push('', pack(update));
console.log(await redis.tickwirePublish(topic, `${topic}:log`, `${topic}:base`, `${topic}:keys`, ...args));
redis.disconnect();
