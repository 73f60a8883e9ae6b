import type { Session } from "../session.ts";

/** What a command does; its result is the exit code, 0 if there is none. */
export type Work = (session: Session) => Promise<number | void>;

/** Runs a command with the session that its command line makes. */
export type Dispatch = (work: Work) => Promise<void>;
