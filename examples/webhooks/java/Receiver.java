import com.standardwebhooks.Webhook;
import com.standardwebhooks.exceptions.WebhookVerificationException;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;

/** A Java server that receives Latchkey's webhooks and believes only what Latchkey signed. */
public class Receiver {
    private static final int LARGEST = 64 * 1024;

    private final Webhook webhook;
    private final Set<String> seen = ConcurrentHashMap.newKeySet(); // in a real application: a table

    Receiver(String secret) {
        webhook = new Webhook(secret);
    }

    public static void main(String[] arguments) throws IOException {
        Receiver receiver = new Receiver(System.getenv("WEBHOOK_SECRET"));
        int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "8000"));
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        server.setExecutor(Executors.newFixedThreadPool(4));
        server.createContext("/webhook", receiver::receive);
        server.start();
    }

    private void receive(HttpExchange exchange) throws IOException {
        try (exchange) {
            byte[] body = exchange.getRequestBody().readNBytes(LARGEST + 1);
            exchange.sendResponseHeaders(body.length > LARGEST ? 413 : statusOf(exchange, body), -1);
        }
    }

    private int statusOf(HttpExchange exchange, byte[] body) {
        // Over the bytes as they came: JSON that was parsed and written again has another signature.
        String text = new String(body, StandardCharsets.UTF_8);
        try {
            webhook.verify(text, exchange.getRequestHeaders());
        } catch (WebhookVerificationException | RuntimeException refused) {
            return 400;
        }
        // A delivery may arrive more than once, always under the same identifier.
        if (seen.add(exchange.getRequestHeaders().getFirst("webhook-id"))) {
            System.out.println(text); // the event, as JSON
        }
        return 204;
    }
}
