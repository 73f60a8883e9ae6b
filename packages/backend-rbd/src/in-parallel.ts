/**
 * Does something with each item, some at a time, in their order. After a failure nothing more is begun; rejects when all that
 * was begun has ended.
 */
export async function inParallel<T>(
  items: Iterable<T>,
  atATime: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  let failed = false;
  const lane = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true && !failed; next = iterator.next()) {
      try {
        await work(next.value);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: atATime }, lane));
  for (const outcome of lanes) if (outcome.status === "rejected") throw outcome.reason;
}
