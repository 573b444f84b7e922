# Maven
# What Debian has of Maven Central, as a repository of the sources. Its version "debian" becomes "0debian": what has a version without a digit,
# pulp_maven 0.36 cannot keep (MavenContentMixin.group_artifact_version_filename), and breaks off its download.
cp -rL /usr/share/maven-repo "$sources/central"
find "$sources/central" -depth -name debian -type d -execdir mv {} 0debian \;
find "$sources/central" -name '*-debian.*' -exec sh -c 'mv "$1" "${1%-debian.*}-0debian.${1##*.}"' sh {} \;
find "$sources/central" -name '*.pom' -exec sed -i 's|>debian<|>0debian<|' {} +
cat >settings.xml <<EOF
<settings>
  <localRepository>$PWD/local</localRepository>
  <mirrors><mirror><id>pulp</id><mirrorOf>*</mirrorOf><url>$pulp/pulp/content/central</url></mirror></mirrors>
  <servers><server><id>shop</id><username>admin</username><password>\${env.PULP_PASSWORD}</password></server></servers>
</settings>
EOF
mkdir -p src/main/java
echo 'public class Shop { public static void main(String[] words) { System.out.println("open"); } }' >src/main/java/Shop.java
project() { # VERSION
    cat >pom.xml <<EOF
<project>
  <modelVersion>4.0.0</modelVersion><groupId>com.example</groupId><artifactId>shop</artifactId><version>$1</version>
  <properties>
    <maven.compiler.source>21</maven.compiler.source><maven.compiler.target>21</maven.compiler.target>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  <distributionManagement><repository><id>shop</id><url>$pulp/pulp/maven/shop/</url></repository></distributionManagement>
  <build><pluginManagement><plugins>
    <plugin><artifactId>maven-deploy-plugin</artifactId><version>3.1.4</version></plugin>
    <plugin><artifactId>maven-install-plugin</artifactId><version>3.1.4</version></plugin>
  </plugins></pluginManagement></build>
</project>
EOF
}
mvn_() { mvn --batch-mode --quiet --settings settings.xml "$@"; }

#: mvn builds a project, and takes all of its plugins from Pulp, which fetches them (pull-through)
pulp maven remote create --name central --url "$source/central/"
pulp maven repository create --name central --remote central
pulp maven distribution create --name central --base-path central --repository central --remote central
project 1.0
mvn_ package
[ "$(java -cp target/shop-1.0.jar Shop)" = open ]

#: mvn deploys it
pulp maven repository create --name shop
pulp maven distribution create --name shop --base-path own --repository shop
mvn_ deploy
until content own/com/example/shop/1.0/shop-1.0.jar >got.jar; do sleep 0.2; done
cmp got.jar target/shop-1.0.jar
