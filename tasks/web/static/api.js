// Questions to the server; an error becomes its own words.

export class Refused extends Error {}

export async function ask(path, parameters = {}, signal = undefined) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined);
  const query = new URLSearchParams(given).toString();
  const response = await fetch(query ? `${path}?${query}` : path, { signal });
  const answer = await response.json();
  if (!response.ok) throw new Refused(`${answer.detail} (${answer.code})`);
  return answer;
}

// The newest question wins: an earlier one that is still under way is given up.
export function latest() {
  let running = null;
  return async (question, use) => {
    running?.abort();
    const mine = (running = new AbortController());
    try {
      const answer = await question(mine.signal);
      if (!mine.signal.aborted) use(answer, null);
    } catch (error) {
      if (error.name !== "AbortError" && !mine.signal.aborted) use(null, error);
    }
  };
}
