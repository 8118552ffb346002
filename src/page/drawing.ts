// Owns when the page draws, and the few ways in which it touches the document. Every panel draws through it.
// Invariant: what shows the market changes in an animation frame only, and only where it has changed.

/** Brings what is shown up to what is known. */
export type Draw = (nowMs: number) => void;

/** Frames are this far apart where a person asked for less motion. */
const CALM_MS = 500;

export class Drawing {
  private readonly calm = matchMedia('(prefers-reduced-motion: reduce)');
  private held = false;
  private drawnAtMs = 0;

  constructor(private readonly draw: Draw) {}

  get paused(): boolean {
    return this.held;
  }

  /** A page that nobody looks at gets no animation frames, and so draws nothing either. */
  start(): void {
    const frame = (nowMs: number): void => {
      requestAnimationFrame(frame);
      if (this.held || (this.calm.matches && nowMs - this.drawnAtMs < CALM_MS)) return;
      this.drawnAtMs = nowMs;
      this.draw(nowMs);
    };
    requestAnimationFrame(frame);
  }

  pause(held: boolean): void {
    this.held = held;
  }
}

/** The element of index.html with this id. @throws Error where the two files do not match. */
export function element<T extends Element>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`index.html has no ${kind.name} #${id}`);
  return found;
}

/** A new element with a class, at the end of its parent. */
export function append(parent: Element, name: string, className = ''): HTMLElement {
  const made = document.createElement(name);
  if (className !== '') made.className = className;
  parent.append(made);
  return made;
}

/** Attributes of an element, which are touched only when they change. */
export class Marks {
  private readonly marks = new Map<string, string | null>();

  constructor(readonly owner: Element) {}

  /** Sets an attribute or, with null, takes it away. */
  mark(name: string, value: string | null): void {
    if (this.marks.get(name) === value) return;
    this.marks.set(name, value);
    if (value === null) this.owner.removeAttribute(name);
    else this.owner.setAttribute(name, value);
  }
}

/** A place for one piece of text, which is touched only when it changes. */
export class Slot extends Marks {
  private readonly text: Text;

  constructor(owner: Element) {
    super(owner);
    this.text = document.createTextNode(owner.textContent ?? '');
    owner.replaceChildren(this.text);
  }

  static of(id: string): Slot {
    return new Slot(element(id, HTMLElement));
  }

  set(value: string): void {
    if (this.text.data !== value) this.text.data = value;
  }
}
