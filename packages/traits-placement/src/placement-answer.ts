import { LuksmithError } from "@luksmith/core";
import type { ServiceResponse } from "@luksmith/keystone";
import * as z from "zod";
import { placementError } from "./placement-error.ts";

/** Errors as Placement writes them from version 1.23 on; earlier versions, and whatever else answers, have no code. */
const Refusal = z.object({ errors: z.array(z.object({ code: z.string(), detail: z.string() })).min(1) });

const MAX_LENGTH = 500;

/** An answer with an expected status; its body is checked when it is asked for. */
export class PlacementAnswer {
  readonly status: number;
  readonly #response: ServiceResponse;
  readonly #doing: string;

  /** @param doing what was being done, as a sentence's beginning */
  constructor(response: ServiceResponse, doing: string) {
    this.status = response.status;
    this.#response = response;
    this.#doing = doing;
  }

  /** @throws `ServiceRefused` */
  json<T>(schema: z.ZodType<T>): T {
    try {
      return this.#response.json(schema);
    } catch (error) {
      throw placementError(error, this.#doing);
    }
  }

  /**
   * Whether Placement says that the thing is not there. Any web server answers 404, and so does Placement to whoever does not
   * ask for a version that has traits.
   * @throws `ServiceRefused` for such a 404
   */
  isAbsent(): boolean {
    if (this.status !== 404) return false;
    if (this.#refusals()) return true;
    throw new LuksmithError(
      "ServiceRefused",
      `${this.#doing} failed: HTTP 404, and not as Placement says it from version 1.23 on; check that [placement] and the service catalog lead to Placement, and that nothing between drops the header OpenStack-API-Version`,
      { details: { status: 404 } },
    );
  }

  /** Placement's own words on one line. */
  refusal(): string {
    const detail = this.#refusals()?.[0]?.detail ?? `HTTP ${this.status}`;
    return detail
      .replaceAll(/[\s\p{Cc}]+/gu, " ")
      .trim()
      .slice(0, MAX_LENGTH);
  }

  #refusals(): z.output<typeof Refusal>["errors"] | undefined {
    try {
      return this.#response.json(Refusal).errors;
    } catch {
      return undefined;
    }
  }
}
