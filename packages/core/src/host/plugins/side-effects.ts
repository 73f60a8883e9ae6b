import { setImmediate as nextTurn } from "node:timers/promises";

/** Watches what a plugin does while it is loaded, which should be nothing. For a thread that does nothing else. */
export function watchSideEffects(): { end(): Promise<readonly string[]> } {
  const before = countResources();
  const streams = [process.stdout, process.stderr].map((stream) => ({
    stream,
    // oxlint-disable-next-line typescript/unbound-method -- it is put back where it was
    write: stream.write,
  }));
  let printed = "";
  for (const { stream } of streams) {
    stream.write = (chunk: string | Uint8Array): boolean => {
      printed += String(chunk);
      return true;
    };
  }
  return {
    async end() {
      for (const { stream, write } of streams) stream.write = write;
      // What was about to end may end.
      await nextTurn();
      await nextTurn();
      const left = [...countResources()]
        .filter(([kind, count]) => count > (before.get(kind) ?? 0))
        .map(([kind]) => kind);
      return [
        ...(left.length > 0
          ? [`it starts something that does not end when it is loaded: ${left.join(", ")}`]
          : []),
        ...(printed ? [`it prints when it is loaded: ${JSON.stringify(printed.slice(0, 200))}`] : []),
      ];
    },
  };
}

/** What keeps the thread alive, by kind; not what belongs to single calls. */
function countResources(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    if (/Req|MessagePort|Immediate|CloseReq/.test(kind)) continue;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}
