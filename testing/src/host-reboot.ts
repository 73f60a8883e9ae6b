export { rebootHost } from "@luksmith/testing-services";
