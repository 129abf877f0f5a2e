// Run by mongosh: creates the service's user in MongoDB, latchkey_app, which may read and write its database and nothing
// else. If the user exists, the script sets this password and exactly these rights. It can be run at any time, on a new or
// an existing database.
const fs = require("fs");

const environment = process.env;
if (environment.MONGO_HOST) {
  // On a running server log in as root. While the image sets up a new one, no login is needed.
  const root = fs.readFileSync(environment.MONGO_INITDB_ROOT_PASSWORD_FILE, "utf8").replace(/[\r\n]+$/, "");
  db = connect(`mongodb://${environment.MONGO_HOST}/admin`);
  db.auth(environment.MONGO_INITDB_ROOT_USERNAME, root);
}

const database = db.getSiblingDB(environment.MONGO_INITDB_DATABASE);
const user = {
  pwd: fs.readFileSync(environment.MONGO_APP_PASSWORD_FILE, "utf8").replace(/[\r\n]+$/, ""),
  roles: [{ role: "readWrite", db: environment.MONGO_INITDB_DATABASE }],
};
if (database.getUser("latchkey_app") === null) {
  database.createUser({ user: "latchkey_app", ...user });
} else {
  database.updateUser("latchkey_app", user);
}
