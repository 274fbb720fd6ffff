import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.errors.PreferredLeaderNotAvailableException;

/**
 * Moves partitions' leaders to one of their replicas: makes that replica the preferred one and elects it. Argument: bootstrap
 * servers. Each line of standard input is one move: topic, partition, node, seconds to try. Answers each with a line: "moved", or
 * why not.
 */
public final class MoveLeader {
    private MoveLeader() {}

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Properties properties = new Properties();
        properties.put("bootstrap.servers", args[0]);
        properties.put("default.api.timeout.ms", 10_000);
        properties.put("request.timeout.ms", 5_000);
        try (Admin admin = Admin.create(properties)) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                String[] fields = line.split(" ");
                TopicPartition partition = new TopicPartition(fields[0], Integer.parseInt(fields[1]));
                System.out.println(move(admin, partition, Integer.parseInt(fields[2]), Long.parseLong(fields[3])));
            }
        }
    }

    private static String move(Admin admin, TopicPartition partition, int target, long seconds) throws Exception {
        long deadline = System.nanoTime() + seconds * 1_000_000_000L;
        try {
            List<Integer> replicas = new ArrayList<>();
            replicas.add(target);
            for (Node replica : describe(admin, partition).replicas()) {
                if (replica.id() != target) {
                    replicas.add(replica.id());
                }
            }
            NewPartitionReassignment order = new NewPartitionReassignment(replicas);
            admin.alterPartitionReassignments(Map.of(partition, Optional.of(order))).all().get();
            while (!leads(admin, partition, target)) {
                if (System.nanoTime() > deadline) {
                    return partition + " did not move to node " + target;
                }
                elect(admin, partition);
                Thread.sleep(50);
            }
            return "moved";
        } catch (ExecutionException failure) {
            return String.valueOf(failure.getCause()).replace('\n', ' ');
        }
    }

    private static boolean leads(Admin admin, TopicPartition partition, int target) throws Exception {
        Node leader = describe(admin, partition).leader();
        return leader != null && leader.id() == target;
    }

    private static TopicPartitionInfo describe(Admin admin, TopicPartition partition) throws Exception {
        return admin.describeTopics(List.of(partition.topic())).allTopicNames().get().get(partition.topic())
            .partitions().get(partition.partition());
    }

    private static void elect(Admin admin, TopicPartition partition) throws Exception {
        try {
            admin.electLeaders(ElectionType.PREFERRED, Set.of(partition)).all().get();
        } catch (ExecutionException failure) {
            // The leader is there already, or the replica is not in sync yet: the caller looks and asks again.
            if (!(failure.getCause() instanceof ElectionNotNeededException)
                    && !(failure.getCause() instanceof PreferredLeaderNotAvailableException)) {
                throw failure;
            }
        }
    }
}
