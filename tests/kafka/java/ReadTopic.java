import java.io.BufferedOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads topics with Kafka's own consumer to the ends of their logs; only what transactions have committed. Arguments: bootstrap
 * servers, topics. Prints a line per record: topic, partition, offset, timestamp, and the SHA-256 of key, value and headers, each
 * with its length in front; -1 is the length of a null.
 */
public final class ReadTopic {
    private ReadTopic() {}

    public static void main(String[] args) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", args[0]);
        properties.put("key.deserializer", ByteArrayDeserializer.class.getName());
        properties.put("value.deserializer", ByteArrayDeserializer.class.getName());
        properties.put("isolation.level", "read_committed");
        properties.put("check.crcs", "true");
        PrintStream out = new PrintStream(new BufferedOutputStream(System.out, 65_536), false, StandardCharsets.UTF_8);
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(properties)) {
            for (String topic : List.of(args).subList(1, args.length)) {
                List<TopicPartition> partitions = consumer.partitionsFor(topic).stream()
                    .map(info -> new TopicPartition(topic, info.partition())).collect(Collectors.toList());
                consumer.assign(partitions);
                consumer.seekToBeginning(partitions);
                Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
                while (partitions.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
                    for (ConsumerRecord<byte[], byte[]> read : consumer.poll(Duration.ofMillis(200))) {
                        out.println(read.topic() + " " + read.partition() + " " + read.offset() + " " + read.timestamp() + " "
                            + digest(read));
                    }
                }
            }
        }
        out.flush();
    }

    private static String digest(ConsumerRecord<byte[], byte[]> read) throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        add(digest, read.key());
        add(digest, read.value());
        for (Header header : read.headers()) {
            add(digest, header.key().getBytes(StandardCharsets.UTF_8));
            add(digest, header.value());
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static void add(MessageDigest digest, byte[] bytes) {
        digest.update(((bytes == null ? -1 : bytes.length) + ":").getBytes(StandardCharsets.UTF_8));
        if (bytes != null) {
            digest.update(bytes);
        }
    }
}
