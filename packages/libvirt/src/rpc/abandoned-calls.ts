interface Abandoned {
  /** The guest or secret that it changes. */
  readonly subject: string;
  readonly answered: Promise<void>;
  readonly answer: () => void;
}

/**
 * Calls whose callers have given up. libvirt may still carry each out, at any time until it has answered: what takes back
 * such a call has to come after it.
 */
export class AbandonedCalls {
  readonly #calls = new Map<number, Abandoned>();

  add(serial: number, subject: string): void {
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
    this.#calls.set(serial, { subject, answered, answer });
  }

  /** libvirt has answered to it, whatever it says. */
  answered(serial: number): void {
    this.#calls.get(serial)?.answer();
    this.#calls.delete(serial);
  }

  /** The daemon that could have carried them out is gone. */
  forget(): void {
    for (const serial of this.#calls.keys()) this.answered(serial);
  }

  /** Undefined: there is none. */
  of(subject: string): Promise<unknown> | undefined {
    const own = [...this.#calls.values()].filter((call) => call.subject === subject);
    return own.length === 0 ? undefined : Promise.all(own.map(({ answered }) => answered));
  }
}
