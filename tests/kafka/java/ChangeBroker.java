import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.common.config.ConfigResource;

/**
 * Changes settings of a running broker. Arguments: bootstrap servers, node. Each line of standard input is a setting: name, value.
 * Answers each with a line: "changed", or why not.
 */
public final class ChangeBroker {
    private ChangeBroker() {}

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Properties properties = new Properties();
        properties.put("bootstrap.servers", args[0]);
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, args[1]);
        try (Admin admin = Admin.create(properties)) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                String[] fields = line.split(" ", 2);
                AlterConfigOp change = new AlterConfigOp(new ConfigEntry(fields[0], fields[1]), AlterConfigOp.OpType.SET);
                try {
                    admin.incrementalAlterConfigs(Map.of(broker, List.of(change))).all().get();
                    System.out.println("changed");
                } catch (ExecutionException failure) {
                    System.out.println(String.valueOf(failure.getCause()).replace('\n', ' '));
                }
            }
        }
    }
}
