// How the scripts beside this one talk with tests/e2e/relying_parties.py: a line of JSON each way.
import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (said) => console.log(JSON.stringify(said));
const hear = async () => JSON.parse((await lines.next()).value);

/** Send the user's browser to this address; returns the address where it arrives. */
export async function visit(url) {
  say({ visit: String(url) });
  return new URL(await hear());
}

/** The error that a step ends with, as far as it is the server's; null if it ends without one. */
export async function refusal(step) {
  try {
    await step;
    return null;
  } catch (error) {
    return error.error ?? error.cause?.[0]?.parameters?.error ?? String(error);
  }
}

/** Do the trial that is asked for, and tell what it came to. */
export async function run(trials) {
  const { trial, ...given } = await hear();
  try {
    say(await trials[trial](given));
  } catch (error) {
    console.error(error, error.cause);
    process.exitCode = 1;
  }
  process.stdin.destroy();
}
