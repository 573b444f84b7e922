# Maven
artifact() { # VERSION
    mkdir -p "com/example/shop/$1"
    printf '<project><modelVersion>4.0.0</modelVersion><groupId>com.example</groupId><artifactId>shop</artifactId><version>%s</version></project>\n' \
        "$1" >"com/example/shop/$1/shop-$1.pom"
    echo "jar of $1" >"com/example/shop/$1/shop-$1.jar"
}

#: Artifacts are deployed as mvn does it, by PUT
artifact 1.0
pulp maven repository create --name maven
pulp maven distribution create --name maven --base-path maven --repository maven
for file in com/example/shop/1.0/*; do
    curl --silent --show-error --fail-with-body --netrc --upload-file "$file" "$pulp/pulp/maven/maven/$file"
done

#: A client finds them under their coordinates
until content maven/com/example/shop/1.0/shop-1.0.jar >got.jar; do sleep 0.2; done
cmp got.jar com/example/shop/1.0/shop-1.0.jar
