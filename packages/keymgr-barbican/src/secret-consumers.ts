import { LuksmithError, type OpContext, type SecretConsumer, type TokenSource } from "@luksmith/core";
import type { Consumer } from "./answers.ts";
import type { BarbicanApi } from "./barbican-api.ts";
import { isAbsent, isRefusal } from "./barbican-error.ts";

const SERVICE = "luksmith";

/** As Barbican writes down who needs a secret. */
export function asConsumer({ resourceType, resourceId }: SecretConsumer): Consumer {
  return { service: SERVICE, resource_type: resourceType, resource_id: resourceId };
}

/**
 * Takes back what Luksmith registered, before the secret is deleted. Barbican deletes a secret whoever still needs it, so
 * it is Luksmith that looks. A server that has no consumers, or does not show them, does not stand in the way.
 *
 * @throws `SecretInUse`: somebody else is registered, such as an image that is encrypted with it
 */
export async function releaseConsumers(
  api: BarbicanApi,
  id: string,
  as: TokenSource,
  ctx: OpContext,
): Promise<void> {
  const consumers = await registered(api, id, as, ctx);
  const others = consumers.filter(({ service }) => service !== SERVICE);
  if (others.length > 0) throw inUse(id, others);
  for (const consumer of consumers) {
    try {
      await api.removeConsumer(id, consumer, as, ctx);
    } catch (error) {
      // Gone already, or not ours to remove: the secret takes it along.
      if (!isRefusal(error)) throw error;
    }
  }
}

async function registered(
  api: BarbicanApi,
  id: string,
  as: TokenSource,
  ctx: OpContext,
): Promise<readonly Consumer[]> {
  try {
    return await api.consumers(id, as, ctx);
  } catch (error) {
    if (isAbsent(error) || !isRefusal(error)) throw error;
    ctx.log.debug({ secretId: id, err: error }, "could not see who needs a secret");
    return [];
  }
}

function inUse(id: string, others: readonly Consumer[]): LuksmithError {
  const names = others.map((each) => `${each.service} ${each.resource_type} ${each.resource_id}`);
  return new LuksmithError(
    "SecretInUse",
    `the secret ${id} was not deleted, because others are registered as needing it: ${names.join("; ")}. Remove what they are (or only their note: openstack secret consumer delete), then run luksmith recover`,
    { details: { id, consumers: others, maybeDone: false } },
  );
}
