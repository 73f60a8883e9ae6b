export { fileOracle, type FileOracle } from "./file-oracle.ts";
export { treeContents } from "./tree-contents.ts";
