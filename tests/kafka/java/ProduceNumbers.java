import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Sends numbered records with Kafka's own producer: BOOTSTRAP TOPIC PARTITIONS COUNT [ca=FILE] [mechanism= user= password=]. */
public final class ProduceNumbers {
    private ProduceNumbers() {
    }

    public static void main(String[] args) throws Exception {
        Map<String, String> given = new HashMap<>();
        for (int i = 4; i < args.length; i++) {
            String[] word = args[i].split("=", 2);
            given.put(word[0], word[1]);
        }
        Properties config = new Properties();
        config.put("bootstrap.servers", args[0]);
        config.put("delivery.timeout.ms", "60000");
        config.put("request.timeout.ms", "20000");
        String ca = given.get("ca");
        if (ca != null) {
            config.put("ssl.truststore.type", "PEM");
            config.put("ssl.truststore.certificates", Files.readString(Path.of(ca)));
        }
        String mechanism = given.get("mechanism");
        if (mechanism != null) {
            String module = mechanism.equals("PLAIN")
                    ? "org.apache.kafka.common.security.plain.PlainLoginModule"
                    : "org.apache.kafka.common.security.scram.ScramLoginModule";
            config.put("sasl.mechanism", mechanism);
            config.put("sasl.jaas.config", String.format(
                    "%s required username=\"%s\" password=\"%s\";", module, given.get("user"), given.get("password")));
        }
        config.put("security.protocol",
                mechanism == null ? (ca == null ? "PLAINTEXT" : "SSL") : (ca == null ? "SASL_PLAINTEXT" : "SASL_SSL"));
        int partitions = Integer.parseInt(args[2]);
        int count = Integer.parseInt(args[3]);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (int number = 0; number < count; number++) {
                byte[] value = Integer.toString(number).getBytes(StandardCharsets.UTF_8);
                sent.add(producer.send(new ProducerRecord<>(args[1], number % partitions, null, value)));
            }
            for (Future<RecordMetadata> one : sent) {
                one.get();
            }
        }
        System.out.println(sent.size() + " acknowledged");
    }
}
