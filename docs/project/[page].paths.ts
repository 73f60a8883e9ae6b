import { projectPages } from "../.vitepress/project-pages.ts";

export default { paths: () => projectPages() };
