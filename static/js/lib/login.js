/** The login behind the cookies, which no script reads. */

/**
 * Makes it last longer. Null where only its owner can log in again; rejects where nobody can say so now, and then it is
 * worth another try.
 * @returns {Promise<string|null>}
 */
export async function extendLogin() {
  const answer = await fetch("/auth/refresh", { method: "POST" });
  if (answer.status === 401) return null;
  if (!answer.ok) throw new Error(`The login could not be renewed now: ${answer.status}.`);
  return (await answer.json()).token;
}

/** This page, as the value of a query parameter, so that whoever has logged in comes back to it. */
export const here = () => encodeURIComponent(location.pathname + location.search);
