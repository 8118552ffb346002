// Holds the generator's WebSocket reader to literal bytes, whole and split anywhere.

import { describe, expect, it } from 'vitest';
import { maskedFrame, OPCODE, ReadBuffer, upgradeFault, upgradeRequest, type WsSink, WsStream } from './wsframes.ts';

class Seen implements WsSink {
  readonly events: string[] = [];
  message(bytes: Uint8Array, start: number, end: number): void {
    const hex = Buffer.from(bytes.subarray(start, end)).toString('hex');
    this.events.push(
      hex.length > 40 ? `message of ${end - start} bytes, ${hex.slice(0, 4)}..${hex.slice(-4)}` : `message ${hex}`,
    );
  }
  ping(payload: Uint8Array): void {
    this.events.push(`ping ${Buffer.from(payload).toString('hex')}`);
  }
  close(code: number, reason: string): void {
    this.events.push(`close ${code} ${reason}`);
  }
}

/** What one connection sees when its bytes arrive in chunks of this length. */
function read(bytes: Buffer, chunkBytes: number): string[] {
  const buffer = new ReadBuffer(256_000, 256_000);
  const seen = new Seen();
  const stream = new WsStream(buffer, seen);
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const chunk = bytes.subarray(at, at + chunkBytes);
    buffer.area.fill(0xee).set(chunk);
    stream.take(0, chunk.length);
  }
  return seen.events;
}

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex');
const MIXED = hex('8203 010203 8902 6869 8200 8a00 8201 ff 8805 03e8 627965');
const MIXED_EVENTS = ['message 010203', 'ping 6869', 'message ', 'message ff', 'close 1000 bye'];

describe('a stream of server frames', () => {
  it('is read frame by frame', () => {
    expect(read(MIXED, MIXED.length)).toEqual(MIXED_EVENTS);
  });

  it('is read the same however it is split', () => {
    for (let chunkBytes = 1; chunkBytes < MIXED.length; chunkBytes++)
      expect(read(MIXED, chunkBytes)).toEqual(MIXED_EVENTS);
  });

  it('may have lengths of 16 and 64 bits', () => {
    const medium = Buffer.concat([hex('82 7e 0100'), hex('aa'.repeat(256))]);
    const long = Buffer.concat([hex('82 7f 0000000000011170'), Buffer.alloc(70_000, 0xbb)]);
    const events = ['message of 256 bytes, aaaa..aaaa', 'message of 70000 bytes, bbbb..bbbb', 'message 07'];
    const bytes = Buffer.concat([medium, long, hex('8201 07')]);
    expect(read(bytes, bytes.length)).toEqual(events);
    expect(read(bytes, 1_447)).toEqual(events);
    expect(read(Buffer.concat([medium, hex('8201 07')]), 1)).toEqual([events[0], events[2]]);
  });

  it('tells streams apart that share one read buffer', () => {
    const buffer = new ReadBuffer(1_024, 1_024);
    const seen = [new Seen(), new Seen()];
    const streams = seen.map((sink) => new WsStream(buffer, sink));
    for (let at = 0; at < MIXED.length; at++) {
      for (const stream of streams) {
        buffer.area[0] = MIXED[at]!;
        stream.take(0, 1);
      }
    }
    expect(seen.map((sink) => sink.events)).toEqual([MIXED_EVENTS, MIXED_EVENTS]);
  });

  it('may begin anywhere in the read area, behind the answer to the upgrade', () => {
    const buffer = new ReadBuffer(64, 64);
    const seen = new Seen();
    const stream = new WsStream(buffer, seen);
    buffer.area.set(hex('6869 8203 0102'));
    stream.take(2, 6);
    buffer.area.set(hex('03'));
    stream.take(0, 1);
    expect(seen.events).toEqual(['message 010203']);
  });

  it('knows a close without a code', () => {
    expect(read(hex('8800'), 2)).toEqual(['close 1005 ']);
  });

  it.each([
    ['a masked frame', '8281 00000000 00', /masked/],
    ['a text message', '8101 61', /0x81/],
    ['a fragment', '0201 61', /0x2/],
    ['a compressed message', 'c201 61', /0xc2/],
  ])('refuses %s', (_, bytes, fault) => {
    expect(() => read(hex(bytes), 100)).toThrow(fault);
  });

  it('refuses a frame longer than it can hold', () => {
    const buffer = new ReadBuffer(8, 64);
    expect(() => new WsStream(buffer, new Seen()).take(0, buffer.area.fill(0x82, 0, 1).fill(0x7d, 1).length)).toThrow(
      /over 8 bytes/,
    );
  });
});

describe('a client frame', () => {
  it('is masked', () => {
    expect(maskedFrame(OPCODE.pong, hex('0000000001')).toString('hex')).toBe('8a85123456781234567813');
  });

  it('has a 16-bit length from 126 bytes on', () => {
    expect(maskedFrame(OPCODE.binary, Buffer.alloc(125)).subarray(0, 2).toString('hex')).toBe('82fd');
    expect(maskedFrame(OPCODE.binary, Buffer.alloc(126)).subarray(0, 4).toString('hex')).toBe('82fe007e');
    expect(() => maskedFrame(OPCODE.binary, Buffer.alloc(65_536))).toThrow(/65536 bytes/);
  });
});

describe('the upgrade', () => {
  const accepted =
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

  it('asks for a subprotocol or for none', () => {
    expect(upgradeRequest('/v1/stream', 'tickwire.v1.msgpack')).toContain(
      '\r\nSec-WebSocket-Protocol: tickwire.v1.msgpack\r\n\r\n',
    );
    expect(upgradeRequest('/v1/stream', null)).not.toContain('Protocol');
  });

  it('is complete with the right answer', () => {
    expect(upgradeFault(accepted, null)).toBeNull();
    expect(upgradeFault(`${accepted}\r\nSec-WebSocket-Protocol: a.v1`, 'a.v1')).toBeNull();
  });

  it('is refused with a reason', () => {
    expect(upgradeFault('HTTP/1.1 429 Too Many Requests', null)).toMatch(/429/);
    expect(upgradeFault('HTTP/1.1 101 Switching Protocols', null)).toMatch(/Accept/);
    expect(upgradeFault(accepted, 'a.v1')).toMatch(/subprotocol null instead of a.v1/);
  });
});
