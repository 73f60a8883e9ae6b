export * from "./oracles/index.ts";
export * from "./image-backend/index.ts";
export * from "./key-manager/index.ts";
export * from "./suite/index.ts";
export * from "./trait-reporter/index.ts";
export { type LogEntry, testContext, type TestContext } from "./test-context.ts";
