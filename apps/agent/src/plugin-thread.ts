import { answerProbe } from "@luksmith/core/host";
import { pluginModules } from "./plugin-modules.ts";

await answerProbe(pluginModules);
