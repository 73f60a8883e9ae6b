import {
  CircuitState,
  circuitBreaker,
  ConsecutiveBreaker,
  handleWhen,
  isBrokenCircuitError,
} from "cockatiel";

export interface BreakerOptions {
  /** So many failures in a row open it. */
  readonly failures: number;
  /** So long nothing is sent; then one request is let through to find out. */
  readonly openMs: number;
}

/** What was tried; `outage` says why if the service itself failed. */
export interface Tried {
  readonly outage?: string | undefined;
}

/** Why nothing is sent at the moment. */
export interface OpenCircuit {
  readonly since: Date;
  readonly reason: string;
}

/**
 * One endpoint's circuit breaker. cockatiel keeps the state; two of its habits do not fit and are kept from it:
 * callers that come while the one request is under way would wait for it (here they are told at once), and a probe
 * that is cancelled would close the circuit (here it counts as failed).
 */
export class Circuit {
  readonly #policy;
  #open: OpenCircuit | undefined;

  constructor(options: BreakerOptions) {
    const counts = handleWhen(() => this.#policy.state === CircuitState.HalfOpen).orWhenResult(
      (tried) => outageOf(tried) !== undefined,
    );
    this.#policy = circuitBreaker(counts, {
      halfOpenAfter: options.openMs,
      breaker: new ConsecutiveBreaker(options.failures),
    });
    this.#policy.onBreak((why) => {
      const reason = "value" in why ? outageOf(why.value) : undefined;
      this.#open = {
        since: this.#open?.since ?? new Date(),
        reason: reason ?? this.#open?.reason ?? "it failed",
      };
    });
    this.#policy.onReset(() => (this.#open = undefined));
  }

  /**
   * Runs `send`, or `refused` while the circuit is open. An outcome without `outage` says that the service works;
   * what `send` throws says nothing.
   */
  async run<T extends Tried>(send: () => Promise<T>, refused: (why: OpenCircuit) => T): Promise<T> {
    if (this.#policy.state === CircuitState.HalfOpen) return refused(this.#why());
    try {
      return await this.#policy.execute(send);
    } catch (error) {
      if (isBrokenCircuitError(error)) return refused(this.#why());
      throw error;
    }
  }

  #why(): OpenCircuit {
    return this.#open ?? { since: new Date(), reason: "it failed" };
  }
}

function outageOf(tried: unknown): string | undefined {
  // What `run` was given: cockatiel's filters do not know the type.
  return (tried as Tried | undefined)?.outage;
}
