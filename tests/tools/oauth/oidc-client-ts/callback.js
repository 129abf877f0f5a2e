// In the window it goes on to the page; in a popup or a frame the library tells the window that opened it.
const signedIn = new URL(location.href).searchParams.has("code") || new URL(location.href).searchParams.has("error");
const finished = signedIn ? manager.signinCallback() : manager.signoutCallback();
finished.then(
  () => window === window.parent && !window.opener && location.replace("index.html"),
  (error) => document.body.append(`${error.error ?? error}`),
);
