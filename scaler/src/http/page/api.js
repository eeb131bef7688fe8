// Asks the server. One place for the token, for errors in words, and for giving up in time.

const PATIENCE_MS = 8000;
const TOKEN = "prewarm-token";

/** An answer that is no answer, in the server's words. */
export class ApiError extends Error {
  constructor(message, status, body) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

/** The JSON of a path below /api/v1; `query` leaves out what is undefined. */
export async function ask(path, query = {}) {
  const url = new URL("/api/v1/" + path, location.origin);
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== null) url.searchParams.set(key, value);
  }
  const token = sessionStorage.getItem(TOKEN);
  const headers = token ? { authorization: "Bearer " + token } : {};
  let response;
  try {
    response = await fetch(url, { headers, signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch {
    throw new ApiError("The server does not answer. What is shown is what it said last.", 0);
  }
  const body = await response.json().catch(() => null);
  if (!response.ok) {
    throw new ApiError(body?.error ?? `The server answered ${response.status}.`, response.status, body);
  }
  return body;
}

/** Remembers the token until the tab is closed. */
export function remember(token) {
  sessionStorage.setItem(TOKEN, token);
}

/** Path of a workload. */
export function pathOf(namespace, name) {
  return `workloads/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
}
