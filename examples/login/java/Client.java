import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Logs in to Latchkey, with a second factor if the account has one, and exports what Latchkey holds of the user. */
public class Client {
    private static final String LATCHKEY =
            System.getenv().getOrDefault("LATCHKEY_URL", "http://localhost:5000").replaceAll("/+$", "");
    private static final HttpClient HTTP = HttpClient.newHttpClient();
    private static final BufferedReader TYPED =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));

    /** What ends the program with a message. */
    private static class Failed extends RuntimeException {
        Failed(String message) {
            super(message);
        }
    }

    public static void main(String[] arguments) throws IOException, InterruptedException {
        try {
            if (arguments.length == 2 && arguments[0].equals("login")) {
                System.out.println(logIn(arguments[1]));
            } else if (arguments.length == 1 && arguments[0].equals("export")) {
                System.out.println(export(System.getenv("ACCESS_TOKEN")));
            } else {
                throw new Failed("usage: Client login NAME | ACCESS_TOKEN=... Client export");
            }
        } catch (Failed failure) {
            System.err.println(failure.getMessage());
            System.exit(1);
        }
    }

    /** An access token. */
    private static String logIn(String name) throws IOException, InterruptedException {
        JsonObject reply = firstFactor(name);
        while (codeOf(reply).equals("second_factor_required")) {
            reply = secondFactor(reply.getAsJsonObject("login"));
            if (codeOf(reply).equals("invalid_login_token")) { // too many codes, too late, or a new password
                System.err.println(messageOf(reply));
                reply = firstFactor(name);
            }
        }
        return tokenOf(succeeded(reply));
    }

    private static JsonObject firstFactor(String name) throws IOException, InterruptedException {
        return send("POST", "/auth/login", Map.of("login", name, "password", ask("Password")), "");
    }

    /** The first reply that does not say that the code is wrong; one login is good for up to five codes. */
    private static JsonObject secondFactor(JsonObject login) throws IOException, InterruptedException {
        while (true) {
            Map<String, String> sent = new HashMap<>(codeFor(login));
            sent.put("login_token", login.get("token").getAsString());
            JsonObject reply = send("POST", "/auth/login/continue", sent, "");
            if (!codeOf(reply).equals("invalid_code")) {
                return reply;
            }
            System.err.println(messageOf(reply));
        }
    }

    /** A code that the user types, and its method. A newer Latchkey may name steps and methods that are unknown here. */
    private static Map<String, String> codeFor(JsonObject login) throws IOException {
        JsonArray methods = login.getAsJsonArray("methods");
        String next = login.get("next").getAsString();
        if (!next.equals("second_factor") || !has(methods, "totp") && !has(methods, "recovery_code")) {
            throw new Failed("This login needs what this program does not have: " + next + " by " + methods + ".");
        }
        String code = ask("Code of your authenticator app, or recovery code");
        return Map.of("method", code.matches("[0-9]+") ? "totp" : "recovery_code", "code", code);
    }

    /** All that Latchkey holds of the user. */
    private static JsonObject export(String token) throws IOException, InterruptedException {
        JsonObject reply = send("GET", "/auth/me/export", null, token);
        while (codeOf(reply).equals("reauthentication_required")) {
            token = authenticateAgain(token, reply.getAsJsonArray("methods"));
            reply = send("GET", "/auth/me/export", null, token);
        }
        return succeeded(reply);
    }

    /** An access token of the same session that says that its user is still there; the old one gains nothing. */
    private static String authenticateAgain(String token, JsonArray methods) throws IOException, InterruptedException {
        while (true) {
            Map<String, String> proof;
            if (has(methods, "totp")) {
                proof = Map.of("method", "totp", "code", ask("Code of your authenticator app"));
            } else if (has(methods, "password")) {
                proof = Map.of("password", ask("Password"));
            } else {
                throw new Failed("This needs what this program does not have: " + methods + ".");
            }
            JsonObject reply = send("POST", "/auth/reauthenticate", proof, token);
            if (!List.of("invalid_code", "wrong_password").contains(codeOf(reply))) {
                return tokenOf(succeeded(reply));
            }
            System.err.println(messageOf(reply));
        }
    }

    /** The reply, whatever its status: `code` says what went wrong, `message` is for people. */
    private static JsonObject send(String method, String path, Map<String, String> body, String token)
            throws IOException, InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(LATCHKEY + path)).timeout(Duration.ofSeconds(30));
        if (body == null) {
            request.method(method, BodyPublishers.noBody());
        } else {
            request.method(method, BodyPublishers.ofString(new Gson().toJson(body)));
            request.header("Content-Type", "application/json");
        }
        if (!token.isEmpty()) {
            request.header("Authorization", "Bearer " + token);
        }
        return JsonParser.parseString(HTTP.send(request.build(), BodyHandlers.ofString()).body()).getAsJsonObject();
    }

    /** The reply, if it is no failure; among others `too_many_requests` ends the program here. */
    private static JsonObject succeeded(JsonObject reply) {
        if (reply.has("code")) {
            throw new Failed(codeOf(reply) + ": " + messageOf(reply));
        }
        return reply;
    }

    private static String codeOf(JsonObject reply) {
        return reply.has("code") ? reply.get("code").getAsString() : "";
    }

    private static String messageOf(JsonObject reply) {
        return reply.get("message").getAsString();
    }

    private static String tokenOf(JsonObject reply) {
        return reply.getAsJsonObject("data").get("access_token").getAsString();
    }

    private static boolean has(JsonArray methods, String method) {
        return methods.contains(new JsonPrimitive(method));
    }

    /** A line that the user types. */
    private static String ask(String what) throws IOException {
        System.err.print(what + ": ");
        System.err.flush();
        String line = TYPED.readLine();
        if (line == null) {
            throw new Failed("There is no more input.");
        }
        return line;
    }
}
