import { checkEntries, checkList } from "./check-bdms.ts";
import { checkRequest } from "./check-request.ts";
import type { InstanceRequest } from "./instance-request.ts";
import { normalize } from "./normalize.ts";
import { jsonPath, problemsError, type Problem } from "./problems.ts";
import { RequestSchema, type RequestDocument } from "./request-schema.ts";

/**
 * Reads REQUEST.json: a Nova server with its embedded flavor, a Glance v2 image or null, and optionally block devices
 * as Nova's API takes them. Unknown fields pass; what is there must be right and agree.
 *
 * All problems are reported together, each with its JSON path in `details.problems`. When every problem has the same
 * code that is the error's code, else it is `InvalidRequest`.
 *
 * @param json - parsed JSON of any shape
 * @throws `InvalidRequest` for wrong shapes, ids that are not UUIDs, and contradictions between server and image
 * @throws `InvalidBDM` for block devices that Nova would refuse
 * @throws `FlavorDiskSmallerThanImage`, `FlavorDiskSmallerThanMinDisk`
 */
export function parseRequest(json: unknown): InstanceRequest {
  const document = readShape(json);
  const request = normalize(document);
  const entries = checkEntries(document.block_device_mapping_v2 ?? [], request.image?.id ?? null);
  // A list with wrong entries has no meaning as a whole.
  const list = entries.length > 0 ? [] : checkList(request);
  const problems = [...checkRequest(document, request), ...entries, ...list];
  if (problems.length > 0) throw problemsError(problems);
  return request;
}

function readShape(json: unknown): RequestDocument {
  const parsed = RequestSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw problemsError(
    parsed.error.issues.map(({ path, message }): Problem => {
      return { code: "InvalidRequest", path: jsonPath(path), message };
    }),
  );
}
