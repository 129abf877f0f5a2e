import * as session from "./session.js";

const at = (id) => document.getElementById(id);

session.watch((user, refusal) => {
  at("guest").hidden = user !== null;
  at("member").hidden = user === null;
  at("name").textContent = user ? (user.username ?? user.email) : "";
  if (!user) at("sessions").replaceChildren();
  if (user || refusal) at("message").textContent = refusal?.message ?? "";
});

at("guest").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    await session[event.submitter.value](at("username").value, at("password").value);
    at("guest").reset();
  });
});

at("log-out").addEventListener("click", () => attempt(session.logOut));

at("show").addEventListener("click", () =>
  attempt(async () => {
    const { sessions } = await session.call("GET", "/auth/sessions");
    at("sessions").replaceChildren(...sessions.map(shown));
  }),
);

function shown({ device, current }) {
  const item = document.createElement("li");
  item.textContent = current ? `${device} (this one)` : device;
  return item;
}

/** Does what the user asked for; a refusal is shown in the words of the service. */
async function attempt(action) {
  at("message").textContent = "";
  for (const button of document.querySelectorAll("button")) button.disabled = true;
  try {
    await action();
  } catch (refusal) {
    if (!(refusal instanceof session.Refusal)) throw refusal;
    at("message").textContent = refusal.message;
  } finally {
    for (const button of document.querySelectorAll("button")) button.disabled = false;
  }
}
