export type { KeptAnswer } from "./kept-answers.ts";
export { type KeyedTask, type Submitted, submitOnce } from "./submit-once.ts";
export {
  Task,
  type TaskListener,
  type TaskOutcome,
  type TaskRequest,
  type TaskScope,
  type TaskState,
} from "./task.ts";
export { cancelledByClient, TaskQueue, type TaskQueueOptions } from "./task-queue.ts";
