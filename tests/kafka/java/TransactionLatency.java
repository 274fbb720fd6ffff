import java.util.Arrays;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Times transactions of one record of 100 bytes, from begin to the return of commit, one after the other, and prints
 * "transactions N p50_us A p99_us B mean_us C", as ../c/txn_latency.c does for libkproducer. Arguments: topic, transactions,
 * transactions before them that are not counted, and properties as NAME=VALUE.
 */
public final class TransactionLatency {
    private TransactionLatency() {}

    public static void main(String[] args) {
        int count = Integer.parseInt(args[1]);
        int warmUp = Integer.parseInt(args[2]);
        Properties properties = new Properties();
        for (String property : Arrays.copyOfRange(args, 3, args.length)) {
            String[] parts = property.split("=", 2);
            properties.put(parts[0], parts[1]);
        }
        long[] takenNanos = new long[count];
        byte[] value = new byte[100];
        Arrays.fill(value, (byte) '.');
        ByteArraySerializer bytes = new ByteArraySerializer();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties, bytes, bytes)) {
            producer.initTransactions();
            for (int i = 0; i < warmUp + count; i++) {
                long began = System.nanoTime();
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(args[0], 0, null, value));
                producer.commitTransaction();
                if (i >= warmUp) {
                    takenNanos[i - warmUp] = System.nanoTime() - began;
                }
            }
        }
        long sum = Arrays.stream(takenNanos).sum();
        Arrays.sort(takenNanos);
        System.out.println("transactions " + count + " p50_us " + takenNanos[count / 2] / 1000 + " p99_us "
            + takenNanos[(int) ((long) count * 99 / 100)] / 1000 + " mean_us " + sum / count / 1000);
    }
}
