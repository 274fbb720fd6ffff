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

/**
 * Moves a partition's leader to one of its replicas: makes that replica the preferred one and elects it. Arguments:
 * bootstrap servers, topic, partition, node.
 */
public final class MoveLeader {
    private static final long DEADLINE_NANOS = 60_000_000_000L;

    private MoveLeader() {}

    public static void main(String[] args) throws Exception {
        String topic = args[1];
        TopicPartition partition = new TopicPartition(topic, Integer.parseInt(args[2]));
        int target = Integer.parseInt(args[3]);
        Properties properties = new Properties();
        properties.put("bootstrap.servers", args[0]);
        try (Admin admin = Admin.create(properties)) {
            List<Integer> replicas = new ArrayList<>();
            replicas.add(target);
            for (Node replica : describe(admin, partition).replicas()) {
                if (replica.id() != target) {
                    replicas.add(replica.id());
                }
            }
            NewPartitionReassignment order = new NewPartitionReassignment(replicas);
            admin.alterPartitionReassignments(Map.of(partition, Optional.of(order))).all().get();
            long deadline = System.nanoTime() + DEADLINE_NANOS;
            while (describe(admin, partition).leader().id() != target) {
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException(partition + " did not move to node " + target);
                }
                elect(admin, partition);
                Thread.sleep(50);
            }
        }
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
                    && !(failure.getCause() instanceof org.apache.kafka.common.errors.PreferredLeaderNotAvailableException)) {
                throw failure;
            }
        }
    }
}
