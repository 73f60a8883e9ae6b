export { createInstance, deleteInstance, parseRequest } from "@luksmith/core/host";
