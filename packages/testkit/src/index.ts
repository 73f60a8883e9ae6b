export * from "./key-manager/index.ts";
export { type LogEntry, testContext, type TestContext } from "./test-context.ts";
