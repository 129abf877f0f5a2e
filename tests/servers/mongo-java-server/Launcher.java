import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.AbstractMongoBackend;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.util.List;

/**
 * Serves MongoDB's protocol on a loopback port, in memory or on an H2 file: {@code Launcher PORT [FILE]}.
 *
 * <p>Replies are copied under a lock: the library would write out the stored document itself, so that a racing
 * update shows in the reply to the one before it, and a counter would give the same number twice.
 */
public final class Launcher {
    private static final class InMemory extends MemoryBackend {
        @Override
        public synchronized Document handleMessage(MongoMessage message) {
            return super.handleMessage(message).cloneDeeply();
        }
    }

    private static final class OnFile extends H2Backend {
        OnFile(String file) {
            super(file);
        }

        /** Commits before it replies: what was acknowledged outlives a killed server. */
        @Override
        public synchronized Document handleMessage(MongoMessage message) {
            Document reply = super.handleMessage(message).cloneDeeply();
            commit();
            return reply;
        }
    }

    /** The wire versions in the library's own list end at 8, which today's drivers refuse. */
    private static final class Version implements MongoVersion {
        @Override
        public List<Integer> getVersionArray() {
            return List.of(5, 0, 0);
        }

        @Override
        public int getWireVersion() {
            return 13;
        }
    }

    public static void main(String[] arguments) {
        AbstractMongoBackend backend = arguments.length > 1 ? new OnFile(arguments[1]) : new InMemory();
        backend.version(new Version());
        MongoServer server = new MongoServer(backend);
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        server.bind("127.0.0.1", Integer.parseInt(arguments[0]));
    }
}
