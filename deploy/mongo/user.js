// Run by mongosh: makes the user that the service is in MongoDB, latchkey_app, who reads and writes its database and
// nothing else, or gives the one that is there this password and just these rights. So it can be run at any time, on a
// database that is new or old.
const fs = require("fs");

const environment = process.env;
if (environment.MONGO_HOST) {
  // To a server that runs: as root. While the image sets up a new one, nobody has to log in.
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
