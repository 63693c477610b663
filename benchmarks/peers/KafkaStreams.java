import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.ByteBuffer;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.QueryableStoreTypes;

/**
 * Kafka Streams with exactly-once: records grouped by key and reduced to the latest, in the default state store.
 *
 * Arguments and results are those of the peers in Python (task.py). Source: Kafka's documentation, "Streams DSL" (groupByKey, reduce) and "Data Types and
 * Serialization"; Avro's "Getting Started (Java)" for reading and writing without generated code.
 */
public final class KafkaStreams {
    private static final AtomicLong SEEN = new AtomicLong();
    private static volatile long total;
    private static volatile double start;
    private static volatile double half;

    public static void main(String[] args) throws Exception {
        Map<String, String> given = new HashMap<>();
        for (int n = 0; n < args.length; n += 2) {
            given.put(args[n], args[n + 1]);
        }
        List<String> topics = List.of(given.get("--topics").split(","));
        total = Long.parseLong(given.get("--events"));
        Path folder = Path.of(given.get("--folder"));
        Serde<GenericRecord> events = new AvroEvents(folder.resolve("schemas"));

        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(topics, Consumed.with(Serdes.String(), events))
            .peek((entity, event) -> count())
            .groupByKey()
            .reduce(
                (before, latest) -> latest,
                Materialized.<String, GenericRecord, KeyValueStore<Bytes, byte[]>>as("latest")
                    .withKeySerde(Serdes.String())
                    .withValueSerde(events));

        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, folder.getFileName().toString());
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, given.get("--bootstrap"));
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        settings.put(StreamsConfig.STATE_DIR_CONFIG, folder.resolve("state").toString());
        var streams = new org.apache.kafka.streams.KafkaStreams(builder.build(), settings);
        streams.setUncaughtExceptionHandler(failure -> {
            failure.printStackTrace();
            Runtime.getRuntime().halt(1);
            return null;
        });
        streams.start();
        while (SEEN.get() < total) {
            Thread.sleep(20);
        }
        // The next commit is the one of the last events.
        double committed = commits(streams);
        while (commits(streams) == committed) {
            Thread.sleep(20);
        }
        tell();
        write(streams, folder.resolve("latest.jsonl"));
        Runtime.getRuntime().halt(0);
    }

    private static void count() {
        long seen = SEEN.incrementAndGet();
        if (seen == total / 2) {
            half = cpuSeconds();
        }
    }

    private static double commits(org.apache.kafka.streams.KafkaStreams streams) {
        return streams.metrics().entrySet().stream()
            .filter(metric -> metric.getKey().name().equals("commit-total"))
            .filter(metric -> metric.getKey().group().equals("stream-thread-metrics"))
            .mapToDouble(metric -> (Double) metric.getValue().metricValue())
            .sum();
    }

    /** User and system time of all threads of this process. */
    private static double cpuSeconds() {
        return ProcessHandle.current().info().totalCpuDuration().orElseThrow().toNanos() / 1e9;
    }

    private static void tell() {
        double end = cpuSeconds();
        System.out.printf(
            java.util.Locale.ROOT,
            "{\"kind\": \"kafka-streams\", \"events\": %d, \"cpu_us_per_event\": %.4f, \"second_half_us\": %.4f}%n",
            SEEN.get(), (end - start) / total * 1e6, (end - half) / (total - total / 2) * 1e6);
        System.out.flush();
    }

    private static void write(org.apache.kafka.streams.KafkaStreams streams, Path file) throws IOException {
        var latest = streams.store(
            StoreQueryParameters.fromNameAndType("latest", QueryableStoreTypes.<String, GenericRecord>keyValueStore()));
        try (KeyValueIterator<String, GenericRecord> all = latest.all(); Writer out = Files.newBufferedWriter(file)) {
            while (all.hasNext()) {
                var entity = all.next();
                out.write("[\"" + entity.key + "\", " + entity.value + "]\n");
            }
        }
    }

    /** The events' own form: a zero byte, the number of the schema in four, then Avro. */
    private static final class AvroEvents
        implements Serde<GenericRecord>, Serializer<GenericRecord>, Deserializer<GenericRecord> {
        private final Map<Integer, GenericDatumReader<GenericRecord>> readers = new HashMap<>();
        private final Map<Schema, Integer> numbers = new HashMap<>();

        AvroEvents(Path schemas) throws IOException {
            try (DirectoryStream<Path> files = Files.newDirectoryStream(schemas, "*.avsc")) {
                for (Path file : files) {
                    Schema schema = new Schema.Parser().parse(Files.readString(file));
                    int number = (int) Long.parseLong(file.getFileName().toString().replace(".avsc", ""));
                    readers.put(number, new GenericDatumReader<>(schema));
                    numbers.put(schema, number);
                }
            }
        }

        @Override
        public GenericRecord deserialize(String topic, byte[] data) {
            if (data == null) {
                return null;
            }
            if (start == 0) {
                start = cpuSeconds();
            }
            try {
                var decoder = DecoderFactory.get().binaryDecoder(data, 5, data.length - 5, null);
                return readers.get(ByteBuffer.wrap(data).getInt(1)).read(null, decoder);
            } catch (IOException failure) {
                throw new UncheckedIOException(failure);
            }
        }

        @Override
        public byte[] serialize(String topic, GenericRecord event) {
            if (event == null) {
                return null;
            }
            try {
                var bytes = new ByteArrayOutputStream();
                bytes.write(ByteBuffer.allocate(5).putInt(1, numbers.get(event.getSchema())).array());
                BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(bytes, null);
                new GenericDatumWriter<GenericRecord>(event.getSchema()).write(event, encoder);
                encoder.flush();
                return bytes.toByteArray();
            } catch (IOException failure) {
                throw new UncheckedIOException(failure);
            }
        }

        @Override
        public Serializer<GenericRecord> serializer() {
            return this;
        }

        @Override
        public Deserializer<GenericRecord> deserializer() {
            return this;
        }

        @Override
        public void close() {}

        @Override
        public void configure(Map<String, ?> settings, boolean isKey) {}
    }
}
