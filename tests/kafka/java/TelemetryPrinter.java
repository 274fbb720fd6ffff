import java.util.List;
import java.util.Map;
import org.apache.kafka.common.metrics.KafkaMetric;
import org.apache.kafka.common.metrics.MetricsReporter;
import org.apache.kafka.server.telemetry.ClientTelemetryExporter;
import org.apache.kafka.server.telemetry.ClientTelemetryExporterProvider;
import org.apache.kafka.server.telemetry.ClientTelemetryPayload;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.Metric;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.MetricsData;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.NumberDataPoint;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.ResourceMetrics;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.ScopeMetrics;

/**
 * A broker's plug-in that takes what clients push (KIP-714), reads it with Kafka's own classes and prints a line for each value:
 * "telemetry", the client instance, whether it is its last push, the metric, sum or gauge, the value, the point's attributes. A
 * payload that cannot be read is an error, which the broker answers to the client.
 */
public final class TelemetryPrinter implements MetricsReporter, ClientTelemetryExporterProvider {
    @Override
    public ClientTelemetryExporter clientTelemetryExporter() {
        return (context, payload) -> print(payload);
    }

    private static void print(ClientTelemetryPayload payload) {
        MetricsData data;
        try {
            data = MetricsData.parseFrom(org.apache.kafka.common.utils.Utils.toArray(payload.data()));
        } catch (Exception unreadable) {
            throw new IllegalArgumentException(unreadable);
        }
        String client = payload.clientInstanceId() + " " + payload.isTerminating() + " ";
        for (ResourceMetrics resource : data.getResourceMetricsList()) {
            String labels = resource.getResource().getAttributesList().toString().replaceAll("\\s+", "");
            for (ScopeMetrics scope : resource.getScopeMetricsList()) {
                for (Metric metric : scope.getMetricsList()) {
                    boolean isSum = metric.hasSum();
                    List<NumberDataPoint> points =
                        isSum ? metric.getSum().getDataPointsList() : metric.getGauge().getDataPointsList();
                    for (NumberDataPoint point : points) {
                        double value = point.hasAsInt() ? point.getAsInt() : point.getAsDouble();
                        String attributes = point.getAttributesList().toString().replaceAll("\\s+", "");
                        System.out.println("telemetry " + client + metric.getName() + " " + (isSum ? "sum" : "gauge") + " "
                            + value + " " + attributes + " " + labels + " " + point.getTimeUnixNano());
                    }
                }
            }
        }
    }

    @Override
    public void configure(Map<String, ?> configs) {}

    @Override
    public void init(List<KafkaMetric> metrics) {}

    @Override
    public void metricChange(KafkaMetric metric) {}

    @Override
    public void metricRemoval(KafkaMetric metric) {}

    @Override
    public void close() {}
}
