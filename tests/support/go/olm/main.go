// Prints what OLM's validators say of the bundle in a folder, as JSON; with `crd`, the CRD of ClusterServiceVersion.
package main

import (
	"encoding/json"
	"log"
	"os"

	"github.com/operator-framework/api/crds"
	"github.com/operator-framework/api/pkg/manifests"
	"github.com/operator-framework/api/pkg/validation"
	validator "github.com/operator-framework/api/pkg/validation/interfaces"
)

// All but those of package manifests, an older format, and of architectures, which asks the registry of the images.
var validators = validator.Validators{
	validation.ClusterServiceVersionValidator,
	validation.CustomResourceDefinitionValidator,
	validation.BundleValidator,
	validation.OperatorHubV2Validator,
	validation.StandardCategoriesValidator,
	validation.StandardCapabilitiesValidator,
	validation.ObjectValidator,
	validation.OperatorGroupValidator,
	validation.CommunityOperatorValidator,
	validation.AlphaDeprecatedAPIsValidator,
	validation.GoodPracticesValidator,
}

func main() {
	output := json.NewEncoder(os.Stdout)
	if os.Args[1] == "crd" {
		if err := output.Encode(crds.ClusterServiceVersion()); err != nil {
			log.Fatal(err)
		}
		return
	}
	bundle, err := manifests.GetBundleFromDir(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	said := map[string][]string{"errors": {}, "warnings": {}}
	for _, result := range validators.Validate(bundle.ObjectsToValidate()...) {
		for _, found := range result.Errors {
			said["errors"] = append(said["errors"], found.Error())
		}
		for _, found := range result.Warnings {
			said["warnings"] = append(said["warnings"], found.Error())
		}
	}
	if err := output.Encode(said); err != nil {
		log.Fatal(err)
	}
}
