// Owns the WebSocket message that is being built for one client. Pumps run one after the other, so all of them build in one place.
// Invariant: data frames stand behind a time frame that says what their times count from.

import type { Codec } from '../protocol/codec.ts';
import type { Frame } from '../protocol/frames.ts';
import { ByteWriter } from '../protocol/writer.ts';
import { type Chunk, PART_BYTES_MAX } from '../topics/chunks.ts';

const writer = new ByteWriter(4 * PART_BYTES_MAX);
const builders = new Map<Codec, MessageBuilder>();

/** The one that builds in this codec. */
export function messageBuilderOf(codec: Codec): MessageBuilder {
  let builder = builders.get(codec);
  if (builder === undefined) {
    builder = new MessageBuilder(codec);
    builders.set(codec, builder);
  }
  return builder;
}

export class MessageBuilder {
  /** The time base that the message has stated; 0: none yet. */
  private baseUs = 0;
  /** Frames in the message. */
  frames = 0;

  constructor(private readonly codec: Codec) {}

  get length(): number {
    return writer.length;
  }

  begin(): void {
    writer.length = 0;
    this.baseUs = 0;
    this.frames = 0;
  }

  write(frame: Frame): void {
    this.codec.encode(writer, frame);
    this.frames += 1;
  }

  /** A frame that is encoded already. */
  append(bytes: Uint8Array): void {
    writer.append(bytes);
    this.frames += 1;
  }

  chunk({ bytes, frames, gatewayUs }: Chunk): void {
    if (this.codec.relativeTimes && this.baseUs !== gatewayUs) {
      this.baseUs = gatewayUs;
      this.write({ type: 'time', timeUs: gatewayUs });
    }
    writer.append(bytes);
    this.frames += frames;
  }

  /** The message, valid until the next one is begun; another begins. */
  take(): Uint8Array {
    const bytes = writer.bytes.subarray(0, writer.length);
    this.begin();
    return bytes;
  }
}
