import java.io.FileReader;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;

/**
 * Asks brokers who they are, as a client of other properties each time. Arguments: property files. Prints a line for each: "let in",
 * or why not.
 */
public final class AskBrokers {
    private AskBrokers() {}

    public static void main(String[] args) throws Exception {
        for (String file : args) {
            Properties properties = new Properties();
            try (Reader reader = new FileReader(file, StandardCharsets.UTF_8)) {
                properties.load(reader);
            }
            properties.put("default.api.timeout.ms", 15_000);
            properties.put("request.timeout.ms", 10_000);
            try (Admin admin = Admin.create(properties)) {
                admin.describeCluster().nodes().get();
                System.out.println("let in");
            } catch (ExecutionException failure) {
                System.out.println(String.valueOf(failure.getCause()).replace('\n', ' '));
            }
        }
    }
}
