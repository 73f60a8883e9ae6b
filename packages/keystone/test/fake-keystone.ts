import { HttpServer, sendJson, type Handler } from "./http-server.ts";

export interface Answers {
  /** What to answer instead, for a while. */
  trouble: Handler | undefined;
  /** Seconds that a token lives. */
  life: number;
}

/** Speaks just enough Keystone to give numbered tokens: `token-1`, `token-2`. What is real is tested with the real one. */
export async function fakeKeystone(answers: Answers): Promise<HttpServer> {
  let issued = 0;
  return HttpServer.start((answer, request, earlier) => {
    if (answers.trouble !== undefined) {
      answers.trouble(answer, request, earlier);
      return;
    }
    issued += 1;
    const now = Date.now();
    const token = {
      user: { id: "u1", name: "alice" },
      project: { id: "p1", name: "demo" },
      roles: [{ name: "member" }],
      issued_at: new Date(now).toISOString(),
      expires_at: new Date(now + answers.life * 1000).toISOString(),
      catalog: [],
    };
    sendJson(
      answer,
      request.method === "POST" ? 201 : 200,
      { token },
      { "x-subject-token": `token-${issued}` },
    );
  });
}
