import * as z from "zod";

/** REQUEST.json. Its own reader (`parseRequest`) judges it, with the command line's messages; OpenAPI has its schema. */
export const AnyRequest = z.unknown().meta({ id: "Request" });
