import type { Exchange } from "./exchange.ts";
import { ExchangeFailure } from "./exchange-failure.ts";
import { exchangeError } from "./sending.ts";
import type { Origin } from "./service-response.ts";

export interface ServiceStream {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Once. */
  readonly body: AsyncIterableIterator<Uint8Array, undefined>;
}

/**
 * An answer whose body is read as it comes.
 * @param release called once, when the connection is no longer needed
 */
export function streamOf(exchange: Exchange, origin: Origin, release: () => void): ServiceStream {
  let ended = false;
  const over = () => {
    ended = true;
    exchange.end();
    release();
    return { done: true, value: undefined } as const;
  };
  // The time-out runs while the service is waited for, not while the caller writes what it got.
  exchange.disarm();
  const body: AsyncIterableIterator<Uint8Array, undefined> = {
    [Symbol.asyncIterator]: () => body,
    async next() {
      if (ended) return over();
      exchange.arm();
      try {
        const value = await exchange.next();
        return value === undefined ? over() : { done: false, value };
      } catch (error) {
        over();
        throw error instanceof ExchangeFailure ? exchangeError(error, origin) : error;
      } finally {
        exchange.disarm();
      }
    },
    return: () => Promise.resolve(over()),
  };
  return { status: exchange.status, headers: exchange.headers, body };
}
